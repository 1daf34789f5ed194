// Judges proofs with the Merkle functions of @sigstore/verify, and ML-DSA-44 signatures with @noble/post-quantum.
// Reads questions (JSON) from its input and prints an answer to each, true or false. NODE_PATH names the packages.
const { createHash, createPublicKey } = require("node:crypto");
const { readFileSync } = require("node:fs");

const packages = process.argv[2];
const { verifyMerkleInclusion } = require(`${packages}/@sigstore/verify/dist/tlog/merkle.js`);
const { LogCheckpoint, verifyCheckpoint } = require(`${packages}/@sigstore/verify/dist/tlog/checkpoint.js`);

const bytes = (text) => Buffer.from(text, "base64");

// The DER head of an Ed25519 public key (RFC 8410).
const key = (raw) => createPublicKey({ key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]), format: "der", type: "spki" });

function inclusion(asked) {
  const material = bytes(asked.vkey.split("+").slice(2).join("+"));
  const identity = createHash("sha256").update(`${asked.origin}\n`).update(material).digest();
  const log = { logID: identity, baseURL: asked.origin, publicKey: key(material.subarray(1)) };
  const inclusionProof = { logIndex: String(asked.index), hashes: asked.path.map(bytes), checkpoint: { envelope: asked.checkpoint } };
  const entry = { canonicalizedBody: bytes(asked.leaf), inclusionProof };
  const checkpoint = verifyCheckpoint(entry, [log]);
  verifyMerkleInclusion(entry, checkpoint);
  return checkpoint.origin === asked.origin;
}

// The message of c2sp.org/tlog-cosignature, ML-DSA-44, out of the checkpoint's own text.
function subtree(asked) {
  const [origin, size, root] = asked.checkpoint.split("\n");
  const [name, , material] = [asked.vkey.split("+")[0], 0, bytes(asked.vkey.split("+").slice(2).join("+"))];
  const identity = createHash("sha256").update(`${name}\n`).update(material).digest().subarray(0, 4);
  const lines = asked.checkpoint.split("\n\n")[1].split("\n").filter((line) => line.startsWith(`— ${name} `));
  const found = lines.map((line) => bytes(line.split(" ")[2])).find((value) => value.subarray(0, 4).equals(identity));
  const sized = (text) => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);
  const u64 = (value) => { const room = Buffer.alloc(8); room.writeBigUInt64BE(BigInt(value)); return room; };
  const time = found.subarray(4, 12);
  const message = Buffer.concat([Buffer.from("subtree/v1\n\0"), sized(name), time, sized(origin), u64(0), u64(size), bytes(root)]);
  return import(`${packages}/@noble/post-quantum/ml-dsa.js`).then(({ ml_dsa44 }) =>
    ml_dsa44.verify(new Uint8Array(found.subarray(12)), new Uint8Array(message), new Uint8Array(material.subarray(1))));
}

async function judge(asked) {
  try {
    return await { inclusion, subtree }[asked.kind](asked);
  } catch (error) {
    if (asked.explain) process.stderr.write(`${error.stack}\n`);
    return false;
  }
}

(async () => {
  const answers = [];
  for (const asked of JSON.parse(readFileSync(0, "utf-8"))) answers.push(await judge(asked));
  process.stdout.write(JSON.stringify(answers));
})();

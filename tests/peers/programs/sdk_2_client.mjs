// The official TypeScript SDK 2.x as client: signs a person in by itself, lists, calls. Usage: URL ERA TOOL ARGUMENTS, in the npm project.
import { createRequire } from "node:module";
import { provider } from "./sign_in.mjs";

const require = createRequire(`${process.cwd()}/package.json`);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = require("@modelcontextprotocol/client");

const [url, era, tool, given] = process.argv.slice(2);
const mode = { "2025-11-25": "legacy", auto: "auto" }[era] ?? { pin: era };
const authProvider = provider();
const connect = async () => {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  const client = new Client({ name: "typescript-sdk-2", version: "1" }, { versionNegotiation: { mode } });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!authProvider.kept.back || authProvider.kept.tokens || !isChallenge(error)) throw error;
    await transport.finishAuth(authProvider.kept.back);
    return connect();
  }
  return client;
};
// The probe of the era may wrap what the transport throws.
const isChallenge = (error) => error instanceof UnauthorizedError || (error?.cause ? isChallenge(error.cause) : false);

const client = await connect();
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(given) });
const seen = { era: client.getNegotiatedProtocolVersion(), tools: tools.map((entry) => entry.name), text: result.content[0].text };
console.log(JSON.stringify({ ...seen, registered: Boolean(authProvider.kept.client) }));
await client.close();

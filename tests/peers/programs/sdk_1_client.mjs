// The official TypeScript SDK 1.x as client: signs a person in by itself, lists, calls. Usage: URL ERA TOOL ARGUMENTS, in the npm project.
import { createRequire } from "node:module";
import { provider } from "./sign_in.mjs";

const require = createRequire(`${process.cwd()}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { UnauthorizedError } = require("@modelcontextprotocol/sdk/client/auth.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

const [url, , tool, given] = process.argv.slice(2);
const authProvider = provider();
const connect = async () => {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  const client = new Client({ name: "typescript-sdk-1", version: "1" });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !authProvider.kept.back) throw error;
    await transport.finishAuth(authProvider.kept.back.get("code"));
    return connect();
  }
  return { client, transport };
};
const { client, transport } = await connect();
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(given) });
const seen = { era: transport.protocolVersion, tools: tools.map((entry) => entry.name), text: result.content[0].text };
console.log(JSON.stringify({ ...seen, registered: Boolean(authProvider.kept.client) }));
await transport.terminateSession();
await client.close();

// An OAuth client provider in memory, which sends its one person through the issuer's page without a browser.
import { get } from "node:http";

const PERSON = "ana";

export function provider() {
  const kept = {};
  return {
    kept,
    redirectUrl: "http://127.0.0.1:9999/callback",
    clientMetadata: { redirect_uris: ["http://127.0.0.1:9999/callback"], client_name: "TypeScript SDK" },
    clientInformation: () => kept.client,
    saveClientInformation: (client) => void (kept.client = client),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => void (kept.tokens = tokens),
    saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
    codeVerifier: () => kept.verifier,
    async redirectToAuthorization(page) {
      page.searchParams.set("login_hint", PERSON);
      // Not fetch: it says Sec-Fetch-Mode, and what looks like a browser has to go through the sign-in page.
      const answer = await new Promise((resolve, reject) => get(page, { agent: false }, resolve).on("error", reject));
      answer.resume();
      kept.back = new URL(answer.headers.location).searchParams;
    },
  };
}

// SPDX-License-Identifier: Apache-2.0
// A certified OpenID Connect provider on loopback. Its own pages ask for a name and a password and take any; the groups
// of a person are the name's parts before the last dot, so that "clerk.officer.anna" is in two groups.
// Reads from standard input: a line of JSON to begin with (key, certificate, port, client, secret, callbacks), then
// "secret NEW" to exchange the client's secret. It ends when the input does.
import { createInterface } from "node:readline";
import { createServer } from "node:https";
import Provider from "oidc-provider";

let handler;
let first;

function provide(secret) {
  const issuer = `https://localhost:${first.port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: first.client, client_secret: secret, redirect_uris: first.callbacks,
      grant_types: ["authorization_code"], response_types: ["code"],
    }],
    claims: { openid: ["sub", "groups"] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    cookies: { keys: ["only for tests"] },
    features: { devInteractions: { enabled: true } },
    async findAccount(_, id) {
      return { accountId: id, claims: () => ({ sub: id, groups: id.split(".").slice(0, -1) }) };
    },
  });
  provider.proxy = true;
  handler = provider.callback();
}

createInterface({ input: process.stdin }).on("line", (line) => {
  if (!first) {
    first = JSON.parse(line);
    provide(first.secret);
    createServer({ key: first.key, cert: first.certificate }, (req, res) => handler(req, res))
      .listen(first.port, "127.0.0.1", () => console.log("ready"));
    return;
  }
  if (line.startsWith("secret ")) {
    provide(line.slice("secret ".length));
    console.log("exchanged");
  }
}).on("close", () => process.exit(0));

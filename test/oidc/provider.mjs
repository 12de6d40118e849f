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

// What the provider remembers outlives an exchange of the client's secret, as a real one's database does.
const records = new Map();

class Memory {
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) { records.set(this.key(id), payload); }
  async find(id) { return records.get(this.key(id)); }
  async findByUid(uid) { return this.where((record) => record.uid === uid); }
  async findByUserCode(code) { return this.where((record) => record.userCode === code); }
  async consume(id) { records.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { records.delete(this.key(id)); }
  async revokeByGrantId(grant) {
    for (const [key, record] of records) if (record.grantId === grant) records.delete(key);
  }
  where(matches) {
    for (const [key, record] of records) if (key.startsWith(`${this.model}:`) && matches(record)) return record;
    return undefined;
  }
}

function provide(secret) {
  const issuer = `https://localhost:${first.port}`;
  const provider = new Provider(issuer, {
    adapter: Memory,
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

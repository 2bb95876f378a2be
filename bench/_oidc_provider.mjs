// oidc-provider as the measurement beside it wants it: the library's defaults; access tokens for an API are JWTs; a
// client that may refresh gets a refresh token with each code, as at ours; its
// adapter and its people are on SQLite (better-sqlite3, WAL, every commit synced); and interactions agree to
// everything without a page.
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import Provider from "oidc-provider";

const { PORT, FOLDER } = process.env;
const { clients, person } = JSON.parse(readFileSync(`${FOLDER}/world.json`));

const db = new Database(`${FOLDER}/provider.db`);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec(`
  CREATE TABLE model (kind TEXT, id TEXT, payload TEXT NOT NULL, grant_id TEXT, uid TEXT, user_code TEXT,
    expires_at INTEGER, consumed INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
  CREATE INDEX model_grant ON model (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX model_uid ON model (uid) WHERE uid IS NOT NULL;
  CREATE INDEX model_code ON model (user_code) WHERE user_code IS NOT NULL;
  CREATE TABLE people (id TEXT PRIMARY KEY, email TEXT NOT NULL);`);
db.prepare("INSERT INTO people VALUES (?, ?)").run(person.id, person.email);

const seconds = () => Math.floor(Date.now() / 1000);
const columns = "payload, consumed, expires_at";
const statements = {
  put: db.prepare(`INSERT INTO model VALUES (?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT (kind, id) DO UPDATE SET
    payload = excluded.payload, grant_id = excluded.grant_id, uid = excluded.uid, user_code = excluded.user_code,
    expires_at = excluded.expires_at`),
  byId: db.prepare(`SELECT ${columns} FROM model WHERE kind = ? AND id = ?`),
  byUid: db.prepare(`SELECT ${columns} FROM model WHERE kind = ? AND uid = ?`),
  byCode: db.prepare(`SELECT ${columns} FROM model WHERE kind = ? AND user_code = ?`),
  consume: db.prepare("UPDATE model SET consumed = ? WHERE kind = ? AND id = ?"),
  destroy: db.prepare("DELETE FROM model WHERE kind = ? AND id = ?"),
  revoke: db.prepare("DELETE FROM model WHERE grant_id = ?"),
  person: db.prepare("SELECT id, email FROM people WHERE id = ?"),
};

function read(row) {
  if (!row || (row.expires_at && row.expires_at < seconds())) return undefined;
  return { ...JSON.parse(row.payload), ...(row.consumed ? { consumed: row.consumed } : undefined) };
}

class Adapter {
  constructor(kind) {
    this.kind = kind;
  }

  async upsert(id, payload, lifetime) {
    const grant = this.kind === "Grant" ? null : (payload.grantId ?? null);
    const until = lifetime ? seconds() + lifetime : null;
    statements.put.run(
      this.kind,
      id,
      JSON.stringify(payload),
      grant,
      payload.uid ?? null,
      payload.userCode ?? null,
      until,
    );
  }

  async find(id) {
    return read(statements.byId.get(this.kind, id));
  }

  async findByUid(uid) {
    return read(statements.byUid.get(this.kind, uid));
  }

  async findByUserCode(code) {
    return read(statements.byCode.get(this.kind, code));
  }

  async consume(id) {
    statements.consume.run(seconds(), this.kind, id);
  }

  async destroy(id) {
    statements.destroy.run(this.kind, id);
  }

  async revokeByGrantId(grant) {
    statements.revoke.run(grant);
  }
}

const jwk = (alg) => ({
  ...createPrivateKey(readFileSync(`${FOLDER}/${alg}.pem`)).export({ format: "jwk" }),
  alg,
  use: "sig",
  kid: alg,
});

const provider = new Provider(`http://localhost:${PORT}`, {
  adapter: Adapter,
  clients,
  jwks: { keys: [jwk("ES256"), jwk("RS256")] },
  cookies: { keys: ["a key of cookies"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async () => ({ scope: "", accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } }),
    },
  },
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  interactions: { url: (ctx, interaction) => `/agree/${interaction.uid}` },
  async findAccount(ctx, id) {
    const known = statements.person.get(id);
    return (
      known && {
        accountId: known.id,
        claims: async () => ({ sub: known.id, email: known.email, email_verified: false }),
      }
    );
  },
});

async function agreed(details) {
  if (details.prompt.name === "login") return { login: { accountId: person.id } };
  const { params, session } = details;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return { consent: { grantId: await grant.save() } };
}

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/agree/")) return next();
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  return provider.interactionFinished(ctx.req, ctx.res, await agreed(details), { mergeWithLastSubmission: true });
});

provider.on("server_error", (ctx, error) => console.error(error));
provider.listen(Number(PORT), "127.0.0.1", () => console.error(`listening on http://127.0.0.1:${PORT}`));

// An API behind each handler: `node api.mjs ISSUER AUDIENCE [FOLDER]`, where the folder has the frameworks. It prints
// where each of them listens. At all of them: /me is for anyone who is signed in, /edit for editors; /late asks in the handler.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import { bearer as expressBearer, refusals as expressRefusals } from "../../../clients/js/verify/express.js";
import { bearer as fastifyBearer, refusals as fastifyRefusals } from "../../../clients/js/verify/fastify.js";
import { protect } from "../../../clients/js/verify/fetch.js";
import { bearer as honoBearer, refusals as honoRefusals } from "../../../clients/js/verify/hono.js";
import { Verifier } from "../../../clients/js/verify/index.js";

const [issuer, audience, folder] = process.argv.slice(2);
const EDITORS = { role: "editor" };

const verifier = new Verifier({ issuer, audience, stale: "refuse" });
await verifier.start();

/** @param {string} name */
const load = async (name) => import(pathToFileURL(createRequire(`${folder}/`).resolve(name)).href);

/** @param {import("node:http").Server} server @returns {Promise<string>} */
const listening = (server) =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`)));

function late(user) {
  user.require(EDITORS);
  return { subject: user.subject };
}

function plain() {
  const routes = {
    "/me": protect(verifier, (_, user) => Response.json({ subject: user.subject, roles: user.roles })),
    "/edit": protect(verifier, (_, user) => Response.json({ subject: user.subject }), EDITORS),
    "/late": protect(verifier, (_, user) => Response.json(late(user))),
    "/maybe": protect(verifier, (_, user) => Response.json({ subject: user?.subject ?? null }), undefined, {
      optional: true,
    }),
    "/health": () => Response.json(verifier.health()),
  };
  return createServer(async (req, res) => {
    const headers = new Headers();
    for (let at = 0; at < req.rawHeaders.length; at += 2) headers.append(req.rawHeaders[at], req.rawHeaders[at + 1]);
    const request = new Request(`http://${req.headers.host}${req.url}`, { method: req.method, headers });
    const answer = await routes[new URL(request.url).pathname](request);
    res.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
}

async function express() {
  const { default: make } = await load("express");
  const app = make();
  app.get("/me", expressBearer(verifier), ({ user }, res) => res.json({ subject: user.subject, roles: user.roles }));
  app.get("/edit", expressBearer(verifier, EDITORS), ({ user }, res) => res.json({ subject: user.subject }));
  app.get("/late", expressBearer(verifier), ({ user }, res) => res.json(late(user)));
  app.use(expressRefusals);
  return createServer(app);
}

async function fastify() {
  const { default: make } = await load("fastify");
  const app = make();
  app.setErrorHandler(fastifyRefusals);
  app.get("/me", { preHandler: fastifyBearer(verifier) }, async ({ user }) => ({
    subject: user.subject,
    roles: user.roles,
  }));
  app.get("/edit", { preHandler: fastifyBearer(verifier, EDITORS) }, async ({ user }) => ({ subject: user.subject }));
  app.get("/late", { onRequest: fastifyBearer(verifier) }, async ({ user }) => late(user));
  await app.ready();
  return createServer((req, res) => app.routing(req, res));
}

async function hono() {
  const [{ Hono }, { getRequestListener }] = [await load("hono"), await load("@hono/node-server")];
  const app = new Hono();
  app.get("/me", honoBearer(verifier), (c) => c.json({ subject: c.get("user").subject, roles: c.get("user").roles }));
  app.get("/edit", honoBearer(verifier, EDITORS), (c) => c.json({ subject: c.get("user").subject }));
  app.get("/late", honoBearer(verifier), (c) => c.json(late(c.get("user"))));
  app.onError(honoRefusals);
  return createServer(getRequestListener(app.fetch));
}

const apps = folder ? { plain, express, fastify, hono } : { plain };
const where = {};
for (const [name, make] of Object.entries(apps)) where[name] = await listening(await make());
console.log(JSON.stringify(where));

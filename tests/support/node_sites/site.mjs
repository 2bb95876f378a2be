// A site on Express, by the library of the first word: `/me` needs a sign-in, and says who it is.
// Usage: node site.mjs library issuer client_id client_secret port

import express from "express";

const [library, issuer, clientId, clientSecret, port] = process.argv.slice(2);
const origin = `http://localhost:${port}`;
const secret = "a secret of this site, as long as they ask";
const app = express();

const libraries = {
  // Auth0's. It signs in by code, with PKCE and a nonce, and hears of logouts elsewhere.
  async "express-openid-connect"() {
    const { auth, requiresAuth } = (await import("express-openid-connect")).default;
    const sessions = new Map();
    const store = {
      get: (id, done) => done(null, sessions.get(id)),
      set: (id, value, done) => (sessions.set(id, value), done(null)),
      destroy: (id, done) => (sessions.delete(id), done(null)),
    };
    app.use(
      auth({
        issuerBaseURL: issuer,
        baseURL: origin,
        clientID: clientId,
        clientSecret,
        secret,
        authRequired: false,
        idpLogout: true,
        session: { store },
        backchannelLogout: true,
        authorizationParams: { response_type: "code", scope: "openid email" },
      }),
    );
    app.get("/me", requiresAuth(), async (request, response) => {
      const { sub, email } = await request.oidc.fetchUserInfo();
      response.json({ sub, email, id_token_sub: request.oidc.user.sub });
    });
  },

  // Passport's. It asks for no PKCE by itself: the client is registered with `--pkce optional`.
  async passport() {
    const { default: session } = await import("express-session");
    const { default: passport } = await import("passport");
    const { default: Strategy } = await import("passport-openidconnect");
    const found = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
    passport.use(
      new Strategy(
        {
          issuer,
          authorizationURL: found.authorization_endpoint,
          tokenURL: found.token_endpoint,
          userInfoURL: found.userinfo_endpoint,
          clientID: clientId,
          clientSecret,
          callbackURL: `${origin}/callback`,
          scope: ["email"],
          skipUserProfile: false,
        },
        (_issuer, profile, done) => done(null, { sub: profile.id, email: profile.emails[0].value }),
      ),
    );
    passport.serializeUser((user, done) => done(null, user));
    passport.deserializeUser((user, done) => done(null, user));
    app.use(session({ secret, resave: false, saveUninitialized: false }));
    app.use(passport.authenticate("session"));
    app.get("/callback", passport.authenticate("openidconnect", { successRedirect: "/me", failureMessage: true }));
    app.get("/me", (request, response, next) => {
      if (request.user) response.json({ ...request.user, id_token_sub: request.user.sub });
      else passport.authenticate("openidconnect")(request, response, next);
    });
  },

  // Auth.js, also known as NextAuth.
  async authjs() {
    const { ExpressAuth, getSession } = await import("@auth/express");
    const config = {
      trustHost: true,
      secret,
      providers: [
        {
          id: "gatepass",
          name: "Gatepass",
          type: "oidc",
          issuer,
          clientId,
          clientSecret,
          authorization: { params: { scope: "openid email" } },
        },
      ],
      callbacks: {
        jwt: ({ token, profile }) => (profile ? { ...token, sub: profile.sub, email: profile.email } : token),
        session: ({ session, token }) => ({ ...session, sub: token.sub, email: token.email }),
      },
    };
    app.use("/auth", ExpressAuth(config));
    app.get("/me", async (request, response) => {
      const found = await getSession(request, config);
      if (found) response.json({ sub: found.sub, email: found.email, id_token_sub: found.sub });
      else response.redirect("/auth/signin");
    });
  },
};

await libraries[library]();
app.use((error, _request, response, _next) => response.status(500).send(String(error?.stack ?? error)));
app.listen(Number(port), "localhost", () => console.log(origin));

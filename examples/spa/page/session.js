// The sign-in of this page. The access token lives here, in memory; the refresh token in a cookie that no script can read.

const EARLY = 30_000; // milliseconds before its end at which a token is renewed

const { issuer } = await (await fetch("config.json")).json();
const tabs = new BroadcastChannel("session");
let held = { token: null, until: 0 };
let onEnd = () => {};

tabs.onmessage = ({ data }) => (data ? keep(data) : end());

const keep = (session) => (held = session);

export const forget = () => keep({ token: null, until: 0 });

const end = () => {
  held = { token: null, until: 0 };
  onEnd();
};

export const whenItEnds = (call) => (onEnd = call);

const post = (path, body) =>
  fetch(issuer + path, {
    method: "POST",
    credentials: "include",
    headers: { "Content-Type": "application/json", "Gatepass-Request": "1" },
    body: JSON.stringify(body),
  });

const accept = async (answer) => {
  const { token, expires_in } = await answer.json();
  keep({ token, until: Date.now() + expires_in * 1000 });
  tabs.postMessage(held);
  return token;
};

export const signIn = async (email, password) => {
  const answer = await post("/login", { email, password, cookie: true });
  if (!answer.ok) throw new Error((await answer.json()).title);
  await accept(answer);
};

export const signOut = async () => {
  await post("/logout", {});
  end();
  tabs.postMessage(null);
};

// One tab refreshes at a time, and the others take its token: the lock is the origin's, not the tab's.
const renew = () =>
  navigator.locks.request("refresh", async () => {
    if (Date.now() < held.until - EARLY) return held.token;
    const answer = await post("/refresh", {});
    if (answer.ok) return accept(answer);
    if (answer.status !== 503) end();
    return null;
  });

// The token, or null where nobody is signed in.
export const token = async () => (Date.now() < held.until - EARLY ? held.token : renew());

// A call to the API, once more with a new token when the old one has been revoked.
export const call = async (path) => {
  const send = async () => fetch(path, { headers: { Authorization: `Bearer ${await token()}` } });
  const answer = await send();
  if (answer.status !== 401) return answer;
  held.until = 0;
  return send();
};

// Who is signed in, for the whole page: the client comes from the server where people sign in, so the two always fit.

const { issuer } = await (await fetch("config.json")).json();
const { createClient } = await import(`${issuer}/gatepass.js`);

export let client = createClient();

// What loading the page again does: the access token is gone, and the cookie brings another.
export const forget = () => {
  client = createClient();
};

// A call to the API beside the page.
export const call = (path) => client.fetch(path);

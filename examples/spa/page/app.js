import { call, signIn, signOut, token, whenItEnds } from "./session.js";

const element = (id) => document.getElementById(id);

const show = async () => {
  const isSignedIn = (await token()) !== null;
  element("sign-in").hidden = isSignedIn;
  element("signed-in").hidden = !isSignedIn;
  if (isSignedIn) element("message").textContent = (await (await call("api/dashboard")).json()).message;
};

element("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(event.target));
  try {
    await signIn(email, password);
    element("problem").textContent = "";
    event.target.reset();
    await show();
  } catch (error) {
    element("problem").textContent = error.message;
  }
});

element("sign-out").addEventListener("click", signOut);

whenItEnds(() => {
  element("sign-in").hidden = false;
  element("signed-in").hidden = true;
});

await show();

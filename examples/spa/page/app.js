import { call, client } from "./session.js";

const element = (id) => document.getElementById(id);

const show = async (session) => {
  element("sign-in").hidden = Boolean(session);
  element("factor").hidden = true;
  element("signed-in").hidden = !session;
  element("problem").textContent = "";
  if (session) element("message").textContent = (await (await call("api/dashboard")).json()).message;
};

// Fails with what people are told, or with the factors that are asked for next.
const attempt = async (work) => {
  try {
    await work();
  } catch (error) {
    const isFactorDue = error.code === "second_factor_required";
    element("problem").textContent = isFactorDue ? "" : error.message;
    if (!isFactorDue) return;
    element("sign-in").reset();
    element("sign-in").hidden = true;
    element("factor").hidden = false;
    element("use-passkey").hidden = !error.factors.includes("passkey");
    element("code").focus();
  }
};

const on = (id, work) =>
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(async () => {
      await work(Object.fromEntries(new FormData(event.target)));
      event.target.reset();
    });
  });

on("sign-in", ({ email, password }) => client.signIn({ email, password }));
on("factor", ({ code, remember }) => {
  const proof = /^[0-9 ]+$/.test(code) ? { code: code.replaceAll(" ", "") } : { recoveryCode: code };
  return client.answerFactor({ ...proof, remember: Boolean(remember) });
});
element("use-passkey").addEventListener("click", () => attempt(() => client.answerFactor({ passkey: true })));
element("back").addEventListener("click", () => show(null));
element("sign-out").addEventListener("click", () => attempt(() => client.signOut()));

client.onChange(show); // in this tab or another
try {
  await show(await client.session());
} catch (error) {
  element("problem").textContent = error.message;
}

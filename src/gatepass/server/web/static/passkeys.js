// The one script of the pages. Passkeys need it; everything else works without, and is a little easier with it. A form of the class "passkey" has the options of a ceremony in
// data-options and a field "passkey" for its result; what happens then is the server's affair, as with any form.
"use strict";

const knowsPasskeys =
  window.PublicKeyCredential !== undefined && PublicKeyCredential.parseRequestOptionsFromJSON !== undefined;

let waiting = null; // the ceremony behind the browser's autofill, which must end before another begins

async function ask(form, more) {
  const options = JSON.parse(form.dataset.options);
  const credential =
    form.dataset.ceremony === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options), ...more })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), ...more });
  form.elements.passkey.value = JSON.stringify(credential);
  form.submit();
}

async function begin(event) {
  event.preventDefault();
  waiting?.abort();
  try {
    await ask(event.target, {});
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // a person may change their mind
  }
}

async function offer(form) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  waiting = new AbortController();
  try {
    await ask(form, { mediation: "conditional", signal: waiting.signal });
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

if (knowsPasskeys) {
  for (const form of document.querySelectorAll("form.passkey")) {
    form.hidden = false;
    form.addEventListener("submit", begin);
    if ("autofill" in form.dataset) void offer(form);
  }
}

// What a page shows in UTC, in the time of this browser and as far away as it is.
const steps = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
for (const each of document.querySelectorAll("time")) {
  const at = new Date(each.dateTime);
  const language = document.documentElement.lang;
  const seconds = (at - Date.now()) / 1000;
  const [unit, size] = steps.find(([, step]) => Math.abs(seconds) >= step) ?? ["second", 60]; // less than a minute ago is "now"
  const whole = at.toLocaleString(language, { dateStyle: "long", timeStyle: "short" });
  const isNear = Math.abs(seconds) < 7 * 86_400;
  each.title = isNear ? whole : each.textContent;
  each.textContent = isNear
    ? new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.trunc(seconds / size), unit)
    : whole;
}

for (const field of document.querySelectorAll("input[data-show]")) {
  const button = document.createElement("button");
  const box = document.createElement("span");
  const tell = (isShown) => {
    field.type = isShown ? "text" : "password";
    button.textContent = isShown ? field.dataset.hide : field.dataset.show;
    button.setAttribute("aria-pressed", String(isShown));
  };
  button.type = "button";
  button.addEventListener("click", () => tell(field.type === "password"));
  field.form.addEventListener("submit", () => tell(false)); // browsers keep what was typed into a text
  box.className = "show";
  const hadFocus = document.activeElement === field;
  field.replaceWith(box);
  box.append(field, button);
  if (hadFocus) field.focus();
  tell(false);
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = navigator.clipboard === undefined;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText);
    button.textContent = button.dataset.done;
  });
}
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// The authenticator is told which passkeys there still are, so that it offers no others (WebAuthn 3 §5.1.10).
for (const { dataset } of document.querySelectorAll("form[data-signal]")) {
  const { rp, user, excludeCredentials } = JSON.parse(dataset.options);
  const about = { rpId: rp.id, userId: user.id };
  const quiet = () => undefined; // it need not know them
  window.PublicKeyCredential?.signalAllAcceptedCredentials?.({ ...about, allAcceptedCredentialIds: (excludeCredentials ?? []).map(({ id }) => id) }).catch(quiet);
  window.PublicKeyCredential?.signalCurrentUserDetails?.({ ...about, name: user.name, displayName: user.displayName }).catch(quiet);
}

// Passkeys need a script, and this is the only one. A form of the class "passkey" has the options of a ceremony in
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

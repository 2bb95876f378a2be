// Sends the answer to the application (OAuth 2.0 Form Post Response Mode). Without scripts its button does.
"use strict";

document.forms[0].submit();

// A secret is shown once, and made once.
"use strict";

(() => {
  // Sent twice by a double click, the form would make two, one of which nobody ever sees.
  document.addEventListener("submit", (event) => {
    const sent = event.target.dataset;
    if (sent.once === undefined) return;
    if (sent.once) event.preventDefault();
    sent.once = "sent";
  });

  const shown = document.querySelector("[data-shown-once]");
  if (!shown) return;
  // The page is the answer to a form: loaded again, it would send that form again, and make another secret.
  history.replaceState(null, "", shown.dataset.shownOnce);
  // A browser that keeps the page for the way back keeps nothing of it.
  window.addEventListener("pagehide", () => shown.remove());
})();

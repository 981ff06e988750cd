// What HTML and HTMX cannot say by themselves. Every page reads well without it.
"use strict";

(() => {
  // A button that copies what stands in the element which `data-copies` names.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const from = document.getElementById(button.dataset.copies);
    const text = from.value ?? from.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard without TLS: marked, it is one key press away.
      if (from.select) from.select(); else window.getSelection().selectAllChildren(from);
      return;
    }
    button.textContent = button.dataset.copied;
  });

  // A menu closes when something else is used.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // A page that the browser kept from before the sign-out shows nobody anything: it is asked for again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });

  // An answer that refuses is shown where the page would have shown what was asked for.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status >= 400) event.detail.shouldSwap = true;
  });
})();

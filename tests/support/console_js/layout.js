// What is wrong with how the page lies at this width, a line each: wider than the window, cut off, one upon the other.
(() => {
  const said = [];
  const name = (element) =>
    `<${element.localName}${element.id ? ` id=${element.id}` : ""}${element.className && element.className.baseVal === undefined ? ` class="${element.className}"` : ""}> ${(element.textContent || element.value || "").trim().slice(0, 50)}`;
  const shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth + 1) {
    const widest = [...document.body.querySelectorAll("*")].filter(
      (element) => shown(element) && element.getBoundingClientRect().right > root.clientWidth + 1 && !scrolls(element));
    said.push(`the page is ${root.scrollWidth} wide: ${widest.slice(0, 3).map(name).join("; ")}`);
  }

  function scrolls(element) {
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)) return true;
    }
    return false;
  }

  function unseen(element) {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.clipPath !== "none" || (at.localName === "svg")) return true;
    }
    return false;
  }

  // Cut off: text that is wider than its box, and a box that shows no way to the rest.
  for (const element of document.body.querySelectorAll("main *, header *, nav *")) {
    if (!element.childNodes.length || !shown(element) || unseen(element) || scrolls(element)) continue;
    const style = getComputedStyle(element);
    if (style.display.startsWith("inline") && style.display !== "inline-block" && style.display !== "inline-flex") continue;
    if (["auto", "scroll"].includes(style.overflowX) || style.textOverflow === "ellipsis" || ["select", "meter", "progress", "textarea", "option", "canvas"].includes(element.localName)) continue;
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
      const inner = [...element.children].some((child) => shown(child) && child.scrollWidth > child.clientWidth + 1 && !getComputedStyle(child).display.startsWith("inline"));
      if (!inner) said.push(`cut off (${element.scrollWidth} in ${element.clientWidth}): ${name(element)}`);
    }
  }

  // One upon the other: two things to use that share a place, neither of them within the other.
  const used = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter((element) => shown(element) && !unseen(element) && !element.closest(".sheet"));
  const boxes = used.map((element) => [element, [...element.getClientRects()]]);
  for (let first = 0; first < boxes.length; first += 1) {
    for (let second = first + 1; second < boxes.length; second += 1) {
      const [one, those] = boxes[first], [other, these] = boxes[second];
      if (one.contains(other) || other.contains(one)) continue;
      // What stays at the window's edge lies over what is scrolled below it.
      if (one.closest(".top") !== other.closest(".top")) continue;
      const upon = those.some((a) => these.some((b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3));
      if (upon) said.push(`one upon the other: ${name(one)} / ${name(other)}`);
    }
  }

  const heads = [...document.querySelectorAll("h1")].filter(shown);
  if (heads.length !== 1) said.push(`${heads.length} headings of the first level`);
  if (!document.querySelector("main")) said.push("no main part");
  return [...new Set(said)].slice(0, 8);
})();

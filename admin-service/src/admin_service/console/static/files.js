// Uploads: chosen or dropped files and folders go to ArtStore by tus, a few at a time, with pause and resume.
"use strict";

(() => {
  const page = document.getElementById("upload");
  if (!page || !window.tus) return;

  const ENDPOINT = new URL("/api/v1/uploads", window.location.href).href;
  const CHUNK = 64 * 1024 * 1024; // each asks for a token that still counts, so a long upload keeps its visit
  const AT_ONCE = 3;
  const MOST = 10000;
  const ROWS_KEPT = 100; // of those that are done: a folder of thousands shall not slow the page down
  const FOR_GOOD = [400, 403, 413, 415, 422, 460, 507]; // another try would hear the same
  const words = page.dataset;
  const form = document.getElementById("upload-form");
  const list = document.getElementById("upload-list");
  const rows = list.querySelector("ul");
  const earlier = document.getElementById("upload-left");
  const waiting = [];
  const active = new Set();
  const paused = new Set();
  const known = new Set(); // a file that is chosen twice is sent once
  const count = { all: 0, done: 0, failed: 0, bytes: 0, sent: 0 };

  const size = (bytes) => {
    const units = words.units.split(" ");
    let power = 0;
    for (; bytes >= 1024 && power < units.length - 1; power += 1) bytes /= 1024;
    const digits = { maximumFractionDigits: bytes < 10 && power ? 1 : 0 };
    return `${new Intl.NumberFormat(document.documentElement.lang, digits).format(bytes)} ${units[power]}`;
  };

  // The token: five minutes, asked for again a minute before it ends.
  let token = null;
  let asking = null;

  async function ask() {
    const body = new URLSearchParams({ csrf: form.elements.csrf.value });
    const answer = await fetch(words.token, { method: "POST", body, redirect: "manual" });
    if (!answer.ok) {
      // A redirect is to the sign-in, and 403 a form of another visit. All else is worth another try.
      const gone = answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403;
      throw Object.assign(new Error(gone ? words.signedOut : words.away), { gone });
    }
    const given = await answer.json();
    token = { value: given.access_token, until: Date.now() + (given.expires_in - 60) * 1000 };
    return token.value;
  }

  async function bearer() {
    if (token && token.until > Date.now()) return token.value;
    asking ??= ask().finally(() => { asking = null; });
    return asking;
  }

  const signed = {
    onBeforeRequest: async (request) => request.setHeader("Authorization", `Bearer ${await bearer()}`),
    onAfterResponse: (request, response) => {
      const status = response.getStatus();
      if (status === 401) token = null;
      // tus would take a refusal of HEAD for the end of the upload, and begin another one from its first byte.
      if (request.getMethod() === "HEAD" && [401, 403, 429].includes(status)) throw new Error(`HEAD: ${status}`);
    },
  };

  // What is said of the files that are chosen next.
  function settings() {
    const fields = form.elements;
    const lines = fields.tags.value.split("\n").map((line) => line.trim()).filter(Boolean);
    const said = { retention_policy: fields.retention_policy.value };
    if (said.retention_policy === "temporary" && fields.ttl_days.value) said.ttl_days = fields.ttl_days.value;
    if (fields.description.value.trim()) said.description = fields.description.value.trim();
    if (lines.length) said.tags = JSON.stringify(lines);
    return said;
  }

  function add(chosen) {
    const said = settings();
    for (const { file, folder } of chosen) {
      const metadata = { filename: file.name, ...said };
      if (folder) metadata.metadata = JSON.stringify({ folder });
      const print = `artstore ${words.user} ${JSON.stringify([metadata, file.size, file.lastModified])}`;
      if (known.has(print)) continue;
      if (known.size >= MOST) {
        tell(words.tooMany);
        break;
      }
      known.add(print);
      waiting.push({ file, metadata, print, path: folder ? `${folder}/${file.name}` : file.name, sent: 0 });
      count.all += 1;
      count.bytes += file.size;
    }
    list.hidden = count.all === 0;
    next();
  }

  function next() {
    while (active.size < AT_ONCE && waiting.length) begin(waiting.shift());
    tell();
  }

  function begin(item) {
    item.row ??= rowOf(item);
    active.add(item);
    show(item, "uploading");
    if (item.upload) {
      item.upload.start();
      return;
    }
    item.upload = new window.tus.Upload(item.file, {
      ...signed,
      endpoint: ENDPOINT,
      chunkSize: CHUNK,
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
      removeFingerprintOnSuccess: true,
      fingerprint: async () => item.print,
      metadata: item.metadata,
      onProgress: (sent) => progress(item, sent),
      onSuccess: () => end(item, "done"),
      onError: (error) => end(item, "failed", reasonOf(error)),
      onShouldRetry: (error) => {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
        const again = !error.causingError?.gone && !FOR_GOOD.includes(status);
        if (again) show(item, "again");
        return again;
      },
    });
    item.upload.findPreviousUploads().then((found) => {
      if (found.length) item.upload.resumeFromPreviousUpload(found[0]);
      if (active.has(item)) item.upload.start();
    });
  }

  function progress(item, sent) {
    count.sent += sent - item.sent;
    item.sent = sent;
    const share = item.file.size ? sent / item.file.size : 1;
    item.row.querySelector("progress").value = share;
    if (active.has(item)) show(item, "uploading");
    document.getElementById("upload-all").value = count.bytes ? count.sent / count.bytes : 0;
  }

  function end(item, state, reason) {
    active.delete(item);
    count[state] += 1;
    if (state === "done") {
      progress(item, item.file.size);
      known.delete(item.print);
      item.row.querySelector("a").href = words.files + item.upload.url.split("/").pop();
    }
    show(item, state, reason);
    if (!earlier.hidden) left();
    const done = rows.querySelectorAll('li[data-state="done"]');
    for (let at = 0; at < done.length - ROWS_KEPT; at += 1) done[at].remove();
    next();
  }

  async function pause(item) {
    active.delete(item);
    paused.add(item);
    show(item, "paused");
    await item.upload.abort();
    next();
  }

  function resume(item) {
    if (item.row.dataset.state === "failed") count.failed -= 1;
    paused.delete(item);
    waiting.unshift(item);
    show(item, "waiting");
    next();
  }

  async function cancel(item) {
    const state = item.row.dataset.state;
    active.delete(item);
    paused.delete(item);
    known.delete(item.print);
    if (waiting.includes(item)) waiting.splice(waiting.indexOf(item), 1);
    count.all -= 1;
    count.bytes -= item.file.size;
    count.sent -= item.sent;
    if (state === "failed") count.failed -= 1;
    item.row.remove();
    next();
    // What has arrived is let go; where nobody answers it goes by itself, after a while.
    await item.upload?.abort(true).catch(() => {});
  }

  function reasonOf(error) {
    if (error.causingError?.gone) return words.signedOut;
    if (!error.originalResponse) return words.away;
    try {
      const refusal = JSON.parse(error.originalResponse.getBody()).error;
      const known_ = document.getElementById("upload-refusals").content.querySelector(`[data-code="${refusal.code}"]`);
      const details = Object.entries(refusal.details ?? {}).map(([name, reason]) => `${name}: ${reason}`);
      return [known_ ? known_.textContent : refusal.message, ...details].join(" · ");
    } catch {
      return `${error.originalResponse.getStatus()}`;
    }
  }

  function rowOf(item) {
    const row = list.querySelector("template").content.firstElementChild.cloneNode(true);
    row.querySelector(".name").textContent = item.path;
    row.querySelector(".size").textContent = size(item.file.size);
    row.querySelector("progress").setAttribute("aria-label", item.path);
    for (const [name, act] of Object.entries({ pause, resume, cancel })) {
      const button = row.querySelector(`.${name}`);
      button.setAttribute("aria-label", `${button.textContent} ${item.path}`);
      button.addEventListener("click", () => act(item));
    }
    rows.append(row);
    return row;
  }

  function show(item, state, reason) {
    const { row } = item;
    if (row.dataset.state === state && !reason) return;
    row.dataset.state = state;
    const badge = row.querySelector(".state");
    badge.textContent = words[state];
    badge.className = `badge state ${{ done: "good", failed: "bad", again: "warn" }[state] ?? ""}`;
    row.querySelector(".pause").hidden = !["uploading", "again"].includes(state);
    row.querySelector(".resume").hidden = !["paused", "failed"].includes(state);
    row.querySelector(".cancel").hidden = state === "done";
    row.querySelector("progress").hidden = state === "done";
    const line = row.querySelector(".reason");
    line.hidden = !reason;
    line.textContent = reason ?? "";
  }

  function tell(more) {
    const said = words.told.replace("{done}", count.done).replace("{all}", count.all).replace("{failed}", count.failed);
    const told = document.getElementById("upload-told");
    const text = more ? `${said}. ${more}` : said;
    if (told.textContent !== text) told.textContent = text;
  }

  // Folders that are dropped are walked; only what is asked for at once is still there afterwards.
  async function* walk(entry, folder) {
    if (entry.isFile) {
      yield { file: await new Promise((found, lost) => entry.file(found, lost)), folder };
      return;
    }
    const reader = entry.createReader();
    const below = folder ? `${folder}/${entry.name}` : entry.name;
    for (;;) {
      const some = await new Promise((found, lost) => reader.readEntries(found, lost));
      if (!some.length) return;
      for (const one of some) yield* walk(one, below);
    }
  }

  async function dropped(taken) {
    const found = [];
    for (const { entry, file } of taken) {
      if (!entry) found.push({ file, folder: "" });
      else for await (const one of walk(entry, "")) {
        found.push(one);
        if (found.length > MOST) break;
      }
    }
    add(found);
  }

  const drop = document.getElementById("drop");
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const items = [...event.dataTransfer.items].filter((one) => one.kind === "file");
    const taken = items.map((one) => ({ entry: one.webkitGetAsEntry(), file: one.getAsFile() }));
    dropped(taken).catch(() => tell());
  });
  for (const input of drop.querySelectorAll("input")) {
    input.addEventListener("change", () => {
      const folderOf = (file) => file.webkitRelativePath.split("/").slice(0, -1).join("/");
      add([...input.files].map((file) => ({ file, folder: folderOf(file) })));
      input.value = "";
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("pause-all").addEventListener("click", () => {
    // What waits begins not by itself then: it is paused too.
    for (const item of waiting.splice(0).concat([...active])) {
      item.row ??= rowOf(item);
      if (active.has(item)) pause(item);
      else { paused.add(item); show(item, "paused"); }
    }
  });
  document.getElementById("resume-all").addEventListener("click", () => {
    for (const item of [...paused].reverse()) resume(item);
  });
  window.addEventListener("beforeunload", (event) => {
    if (active.size || waiting.length) event.preventDefault();
  });

  // What was begun on another day and is not finished: the file itself has to be chosen again, no page may open it.
  async function left() {
    const storage = window.tus.defaultOptions.urlStorage;
    const begun = (await storage.findAllUploads()).filter((one) => one.urlStorageKey.startsWith(`tus::artstore ${words.user} `));
    earlier.hidden = begun.length === 0;
    earlier.querySelector("ul").replaceChildren();
    for (const one of begun.slice(0, ROWS_KEPT)) {
      const row = earlier.querySelector("template").content.firstElementChild.cloneNode(true);
      row.querySelector(".name").textContent = one.metadata.filename;
      row.querySelector(".size").textContent = size(one.size);
      row.querySelector("button").setAttribute("aria-label", `${row.querySelector("button").textContent} ${one.metadata.filename}`);
      row.querySelector("button").addEventListener("click", async () => {
        await storage.removeUpload(one.urlStorageKey);
        row.remove();
        earlier.hidden = earlier.querySelector("li") === null;
        await window.tus.Upload.terminate(one.uploadUrl, { ...signed, retryDelays: [0] }).catch(() => {});
      });
      earlier.querySelector("ul").append(row);
    }
  }
  left();
})();

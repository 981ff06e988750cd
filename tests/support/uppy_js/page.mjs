// A page as anybody would make it with Uppy: a file is chosen, and it goes up. What becomes of it stands in `window.seen`.

import Uppy from "@uppy/core";
import Tus from "@uppy/tus";

window.seen = { sent: 0, result: null };

window.begin = ({ endpoint, token, meta }) => {
  const uppy = new Uppy({ meta });
  uppy.use(Tus, {
    endpoint,
    headers: { Authorization: `Bearer ${token}` },
    retryDelays: [100, 300, 1000, 3000, 5000],
  });
  uppy.on("upload-progress", (_file, progress) => {
    window.seen.sent = progress.bytesUploaded;
  });
  uppy.on("complete", ({ successful, failed }) => {
    window.seen.result = {
      urls: successful.map((file) => file.uploadURL),
      errors: failed.map((file) => file.error),
    };
  });
  const chosen = document.querySelector("input").files[0];
  uppy.addFile({ name: chosen.name, type: chosen.type, data: chosen });
  // Nobody waits for it here: a cut is what is tested.
  void uppy.upload();
};

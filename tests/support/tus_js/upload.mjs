// Uploads a file with tus-js-client, as it comes: `node upload.mjs '<options as JSON>'`. Says what it did as JSON.
//
// endpoint, file, token, storage: required. chunkSize, parallelUploads, metadata, uploadDataDuringCreation and
// uploadLengthDeferred go to the client as they are. dieAfter: bytes after which the process is killed, as by kill -9.
// With the same storage and file a second run goes on with the upload of the first.
import fs from "node:fs";
import { PassThrough } from "node:stream";
import * as tus from "tus-js-client";

const given = JSON.parse(process.argv[2]);
let sent = 0;

// A file's own length is known to the client, so one that is to be told later is that of a stream.
const file = fs.createReadStream(given.file);
const source = given.uploadLengthDeferred ? file.pipe(new PassThrough()) : file;

const upload = new tus.Upload(source, {
  endpoint: given.endpoint,
  headers: { Authorization: `Bearer ${given.token}` },
  metadata: given.metadata ?? {},
  chunkSize: given.chunkSize ?? Number.POSITIVE_INFINITY,
  parallelUploads: given.parallelUploads ?? 1,
  uploadDataDuringCreation: given.uploadDataDuringCreation ?? false,
  uploadLengthDeferred: given.uploadLengthDeferred ?? false,
  retryDelays: [0, 1000, 3000, 5000],
  urlStorage: new tus.FileUrlStorage(given.storage),
  onProgress: (bytes) => {
    sent = Math.max(sent, bytes);
    if (given.dieAfter !== undefined && bytes >= given.dieAfter) process.kill(process.pid, "SIGKILL");
  },
  onError: (error) => {
    console.log(JSON.stringify({ error: String(error), status: error.originalResponse?.getStatus() }));
    process.exit(1);
  },
  onSuccess: () => {
    console.log(JSON.stringify({ url: upload.url, sent, resumed }));
  },
});

const before = await upload.findPreviousUploads();
const resumed = before.length > 0;
if (resumed) upload.resumeFromPreviousUpload(before[0]);
upload.start();

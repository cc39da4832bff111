// Sending a file while telling how far it is, which fetch cannot.

import { Refusal } from "./api.js";

const LOST = { message: "The file did not arrive.", remedy: "See whether the server still runs, and add it again." };

/**
 * POST `file` to `path` below /api; resolves to the answer's JSON, or to null after `signal`; throws a `Refusal`.
 * `onProgress` gets 0 to 1, or null when that is not known.
 */
export function upload(path, file, onProgress = () => {}, signal = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/${path}`);
    request.responseType = "json";
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : null);
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Refusal(request.response?.problems ?? [LOST]));
    };
    request.onerror = () => reject(new Refusal([LOST]));
    request.onabort = () => resolve(null);
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

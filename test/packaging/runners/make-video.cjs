/** A request of the application under test, with the globals of the test environment. */
const post = typeof fetch === 'undefined' ? postWithXhr : postWithFetch;

async function postWithFetch(url, headers, body) {
  return (await fetch(url, { method: 'POST', headers, body })).json();
}

/** As axios sends it in a DOM environment. */
function postWithXhr(url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.onload = () => resolve(JSON.parse(request.responseText));
    request.onerror = () => reject(new Error('network error'));
    request.send(body);
  });
}

function createMakeVideo(send) {
  async function call(path, body) {
    const { NANOPHOTO_API_BASE_URL: url, NANOPHOTO_API_KEY: key } = process.env;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const json = await send(url + path, headers, JSON.stringify(body));
    if (json.success !== true || json.status === 'failed') throw new Error(json.errorCode);
    return json;
  }
  return async function makeVideo(prompt) {
    const { taskId } = await call('/api/sora-2/generate', { prompt, mode: 'textToVideo' });
    for (;;) {
      const { status, videoUrl } = await call('/api/sora-2/check-status', { taskId });
      if (status === 'completed') return videoUrl;
    }
  };
}

exports.makeVideo = createMakeVideo(post);
exports.makeVideoWithXhr = typeof XMLHttpRequest === 'undefined' ? undefined : createMakeVideo(postWithXhr);

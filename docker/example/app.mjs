// Submits a video, polls it, downloads it, and reads the remaining credits from the control plane.
const { NANOPHOTO_API_BASE_URL: base, NANOPHOTO_API_KEY: key } = process.env;

async function post(path, body) {
  const response = await fetch(base + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const json = await response.json();
  if (!response.ok) throw new Error(`${path} returned ${response.status}: ${JSON.stringify(json)}`);
  return json;
}

const prompt = 'A golden retriever running on a beach at sunset';
const { taskId } = await post('/api/sora-2/generate', { prompt, mode: 'textToVideo' });
console.log(`submitted ${taskId}`);

let poll;
do {
  await new Promise((resolve) => setTimeout(resolve, 500));
  poll = await post('/api/sora-2/check-status', { taskId });
  console.log(poll.status);
} while (poll.status === 'processing');

const video = await fetch(poll.videoUrl);
const { byteLength } = await video.arrayBuffer();
console.log(`${poll.videoUrl}: ${video.status} ${video.headers.get('content-type')}, ${byteLength} bytes`);

const ledger = await (await fetch(`${base}/__admin/accounts/${key}/ledger`)).json();
console.log(`${ledger.balance} credits left`);
if (!video.ok || byteLength === 0) process.exit(1);

// Submits a video, polls it, downloads it, and asks the control plane what it cost.
const { NANOPHOTO_API_BASE_URL: base, NANOPHOTO_API_KEY: key } = process.env;

async function post(path, body) {
  const response = await fetch(base + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

const prompt = 'A golden retriever running on a beach at sunset';
const { taskId } = await post('/api/sora-2/generate', { prompt, mode: 'textToVideo' });
console.log(`submitted ${taskId}`);

let answer;
do {
  await new Promise((resolve) => setTimeout(resolve, 500));
  answer = await post('/api/sora-2/check-status', { taskId });
  console.log(answer.status);
} while (answer.status === 'processing');

const video = await fetch(answer.videoUrl);
const { byteLength } = await video.arrayBuffer();
console.log(`${answer.videoUrl}: ${video.status} ${video.headers.get('content-type')}, ${byteLength} bytes`);

const ledger = await (await fetch(`${base}/__admin/accounts/${key}/ledger`)).json();
console.log(`${ledger.balance} credits left`);
if (!video.ok || byteLength === 0) process.exit(1);

// What somebody wrote in TypeScript; the test compiles it, with a source map.
import { createServer } from 'node:http';

interface Job {
  ms: number;
  label: string;
}

type Held = { index: number; text: string };

const held: Held[] = [];

// The types above are not in the compiled file, so that lines differ.
function computeJob(job: Job): number {
  const until = performance.now() + job.ms;
  let sum = 0;
  while (performance.now() < until) {
    for (let i = 0; i < 10_000; i++) sum += Math.sqrt(i) * Math.sin(i);
  }
  return sum;
}

function keepRows(label: string): void {
  for (let index = 0; index < 2_000; index++) held.push({ index, text: `${label} ${index}` });
}

setInterval(computeJob, 40, { ms: 20, label: 'job' });
setInterval(keepRows, 40, 'row');

createServer((_req, res) => res.end(`pid ${process.pid}`)).listen(Number(process.env.PORT), '127.0.0.1');

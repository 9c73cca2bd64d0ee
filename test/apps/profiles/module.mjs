// The same load, as an ES module.
import { createServer } from 'node:http';

const held = [];

function hotLoop(ms) {
  const until = performance.now() + ms;
  let sum = 0;
  while (performance.now() < until) {
    for (let i = 0; i < 10_000; i++) sum += Math.sqrt(i) * Math.sin(i);
  }
  return sum;
}

function holdOn() {
  for (let i = 0; i < 2_000; i++) held.push({ i, text: `held ${i}` });
}

setInterval(hotLoop, 40, 20);
setInterval(holdOn, 40);

createServer((_req, res) => res.end(`pid ${process.pid}`)).listen(process.env.PORT, '127.0.0.1');

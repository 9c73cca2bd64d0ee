// Written in TypeScript, compiled with a source map by the test; `/block` never comes back.
import { createServer } from 'node:http';

interface Order {
  id: number;
  /** Lines that the compiled file does not have. */
  total?: number;
}

function sumForEver(orders: Order[], sum = 0): never {
  for (let at = 0; ; at++) sum += orders[at % orders.length]?.total ?? 0;
}

createServer((req, res) => {
  res.end(`pid ${process.pid}\n`);
  if (req.url === '/block') setTimeout(() => sumForEver([{ id: 1 }]), 20);
}).listen(Number(process.env.PORT), '127.0.0.1');

// Ends in the way that a file tells it, and is compiled with a source map by the test. The first line of this file is not in the
// compiled one, so that lines differ.
import { readFileSync, rmSync } from 'node:fs';

interface Order {
  total?: { cents: number };
}

const held: unknown[] = [];
const told = `${process.env.ENDS_FOLDER}/${process.env.name}`;

function pay(order: Order): number {
  return (order.total as { cents: number }).cents;
}

const ways: Record<string, () => void> = {
  throw: () => void pay({}),
  secret: () => {
    console.log(`connecting to postgres://app:${process.env.DB_PASSWORD}@db/app`);
    console.error(`Authorization: Bearer ${process.env.DB_PASSWORD}`);
    throw new Error(`no route to postgres://app:${process.env.DB_PASSWORD}@db/app`);
  },
  exit3: () => process.exit(3),
  exit0: () => process.exit(0),
  dry: () => clearInterval(looks),
  reject: () => {
    void Promise.reject(new Error('nobody handles this'));
    setTimeout(() => process.exit(0), 100);
  },
  heap: () => {
    for (;;) held.push({ at: held.length, text: `${held.length} is never let go` });
  },
  memory: () => held.push(Buffer.alloc(250 * 2 ** 20, 1)),
};

if (process.env.STUBBORN) for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
if (process.env.ENDS_AT_ONCE) ways[process.env.ENDS_AT_ONCE]?.();

const looks = setInterval(() => {
  let way: string;
  try {
    way = readFileSync(told, 'utf8');
    rmSync(told);
  } catch {
    return;
  }
  console.log(`told to end by ${way}`);
  ways[way]?.();
}, 50);

// A service that does whatever it can to the terminal of whoever looks at it: by the names of its functions, by what it logs,
// and with BAD in its environment by what it dies of.
const http = require('node:http');

const NASTY = '\u001b[2J\u009b31m\u202e\r\nFAKE';
if (process.env.BAD) {
  console.error(`connecting to postgres://app:${['hun', 'ter2'].join('')}@db/app ${NASTY}`);
  throw new Error(`DB_PASSWORD=${['hun', 'ter2'].join('')} was refused ${NASTY}`);
}

const busy = {
  [`spin${NASTY}`](untilMs) {
    let sum = 0;
    while (Date.now() < untilMs) sum += Math.sqrt(sum + 1);
    return sum;
  },
};
const spin = busy[`spin${NASTY}`];
setInterval(() => spin(Date.now() + 20), 40);
globalThis[Symbol.for('pm2-ops.repl')] = { nasty: NASTY };

http.createServer((_req, res) => res.end('done\n')).listen(process.env.PORT);

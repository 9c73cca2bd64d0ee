// Serves, and says on PM2's bus whatever an app may say there: broken, huge, in another's name, and without end.
const http = require('node:http');

const send = (type, data) => process.send({ type, data }, () => {});
const say = (data) => send('pm2-ops:agent', data);
const victim = Number(process.env.VICTIM);
const other = (more) => ({ pid: victim, id: `${victim}-1`, ...more });

function everything() {
  for (const data of [1, 'text', [], {}, { kind: 'toString' }, { kind: 'ask', action: 'heapdump' }]) say(data);
  say({ kind: 'compress', id: 1, pid: process.pid, from: 2, to: 3 });
  say({ kind: 'compress', ...other({ from: '/nowhere/a', to: '/nowhere/b' }) });
  say({ kind: 'compress', id: `${process.pid}-1`, pid: process.pid, from: '/nowhere/a', to: '/nowhere/b' });
  say({ kind: 'compress-end', id: null });
  say({ kind: 'hello', version: '9.9.9', pid: process.pid });
  // In the name of the victim: it neither drains nor leaves, and was never asked.
  say({
    kind: 'hello',
    nonce: 'a',
    version: '9.9.9',
    state: 'drained',
    graceful: 'off',
    kept: [],
    wrapper: true,
    ...other(),
  });
  say({ kind: 'state', state: 'drained', graceful: 'off', ...other() });
  say({ kind: 'bye', reason: 'so there', ...other() });
  say({ kind: 'done', ...other() });
  say({ kind: 'leaves', report: { pid: victim } });
  say({ kind: 'bye', pid: process.pid, reason: '\u001b[2J\u001b[31m gone' });
  say({ kind: 'progress', pid: process.pid, action: 'heapdump', progress: { phase: {}, file: '/dev/zero' } });
  say({ kind: 'reply', nonce: {}, reply: null });
  say({ kind: 'reply', nonce: 'x', reply: { ok: true } });
  say({ kind: 'bye', pid: process.pid, reason: 'x'.repeat(20e6) });
  // What PM2 lists for it.
  for (const data of [5, 'text', { action_name: {} }, { action_name: 'mine', opts: 7 }]) send('axm:action', data);
  process.send({ node_version: { major: 20 } }, () => {});
  // In the name of PM2's daemon, and of the module.
  send('process:event', { event: 'exit', process: { pm_id: 0 } });
  send('log:err', { not: 'a text' });
  send('pm2-ops:command-reply', null);
  send('pm2-ops:command-reply', { nonce: 'x', reply: { ok: true } });
}

process.on('message', (message) => {
  if (message.topic === 'say') send(message.data.type, message.data.data);
  if (message.topic === 'everything') everything();
  if (message.topic === 'flood')
    for (let i = 0; i < 3_000; i++) say({ kind: 'echo', id: `${process.pid}-${i}`, pid: process.pid });
});
http.createServer((_request, response) => response.end('here\n')).listen(Number(process.env.PORT));

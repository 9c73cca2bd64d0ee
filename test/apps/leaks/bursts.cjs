// Does not leak: every request holds much for a moment, and requests come in bursts.
const { setTimeout: sleep } = require('node:timers/promises');
const { serve } = require('./server.cjs');

serve(async (req) => {
  const batch = Array.from({ length: 2_000 }, (_, i) => ({ i, text: `${req.url} ${i}` }));
  await sleep(200);
  return batch.length;
});

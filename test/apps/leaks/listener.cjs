// Leaks: a listener for every request, never removed, whose closure holds that request's data.
const { EventEmitter } = require('node:events');
const { serve } = require('./server.cjs');

const settings = new EventEmitter().setMaxListeners(0);

function follow(req) {
  const session = { url: req.url, history: Array.from({ length: 1500 }, (_, i) => `step ${i}`) };
  settings.on('change', () => session.history.push('changed'));
  return settings.listenerCount('change');
}

serve(follow);

// Leaks: a cache without a bound, whose keys never come again.
const { serve } = require('./server.cjs');

const cache = new Map();
let requests = 0;

function key(req) {
  requests += 1;
  return `${req.url}?${requests}`;
}

function cached(req) {
  cache.set(key(req), { rendered: Array.from({ length: 800 }, (_, i) => [i, `row ${i}`]) });
  return cache.size;
}

serve(cached);

// Does not leak: a full cache, in which every new entry takes the place of the oldest one.
const { serve } = require('./server.cjs');

const MAX = 100;
const cache = new Map();
let requests = 0;

function cached() {
  requests += 1;
  cache.set(`page ${requests}`, { rendered: Array.from({ length: 300 }, (_, i) => [i, `row ${i}`]) });
  if (cache.size > MAX) cache.delete(cache.keys().next().value);
  return cache.size;
}

while (requests <= MAX) cached();
serve(cached);

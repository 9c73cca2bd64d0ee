// Does not leak: much that is held from the beginning, and requests that only read it.
const { serve } = require('./server.cjs');

const held = Array.from({ length: 60_000 }, (_, i) => ({ id: i, name: `customer ${i}`, orders: [i, i + 1] }));

serve((req) => held.filter(({ id }) => id % 1000 === req.url.length).length);

// Leaks: an array that grows with every request.
const { serve } = require('./server.cjs');

const visits = [];

function remember(req) {
  visits.push({
    url: req.url,
    at: new Date(),
    headers: { ...req.headers },
    tags: Array.from({ length: 1500 }, (_, i) => `${req.url} tag ${i}`),
  });
  return visits.length;
}

serve(remember);

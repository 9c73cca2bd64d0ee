// An API route.
export default function handler(_request, response) {
  setTimeout(() => response.json({ pid: process.pid }), 5);
}

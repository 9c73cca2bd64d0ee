// `import 'pm2-ops/agent'` or `node --import pm2-ops/agent`: the app takes the agent in by itself, so that the module
// need not open its inspector.
import { enter } from './realm/enter.ts';

try {
  enter().knock();
} catch {
  // An app must start whatever happens to its tools.
}

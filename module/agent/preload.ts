// `import 'pm2-ops/agent'` or `node --import pm2-ops/agent`: the app takes the agent in by itself, so that the module
// need not open its inspector.
import { knock } from './index.ts';

try {
  knock();
} catch {
  // An app must start whatever happens to its tools.
}

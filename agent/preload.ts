// `import 'pm2-ops/agent'` or `node --import pm2-ops/agent`: the app loads the agent itself, so that the module does not have to
// open its inspector.
import SOURCE from 'pm2-ops:agent-source';
import { enter } from './realm/enter.ts';

try {
  enter(SOURCE).knock();
} catch {
  // The app has to start even if the agent fails.
}

// Changes the code on purpose and sees whether the tests notice: `npm run test:mutations [-- ROOM|FILE|HARM …]`.

import { main } from './mutations/main.ts';

main(process.argv.slice(2)).then((code) => process.exit(code));

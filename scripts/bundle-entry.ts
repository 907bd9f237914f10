/** Where the installed tsrun starts: dist/tsrun.cjs. */
import { runBundle } from './bundle-loader.ts';

runBundle(`${__dirname}/main.cjs`, require);

/** Names for containers that were given none. */
import { randomBytes } from '../lib/random.ts';

const ADJECTIVES =
  'able agile amber ample basic bold brave brief bright brisk broad calm civil clear clever close cosmic crisp daring deft eager early easy exact fair fast fine firm fleet fresh full gentle glad golden grand great green handy happy hardy honest ideal jolly keen kind large late light lively loyal lucid lucky major mellow merry mild modest neat new nimble noble novel open patient plain prime proud pure quick quiet rapid ready real rich right robust round royal safe sage sharp silent simple sleek smart smooth solid sound stable steady still strong sunny super sure swift tidy tiny true trusty upright usable valid vast vivid warm whole wide wise witty young'.split(
    ' ',
  );
/** People to whom this field owes something. */
const PEOPLE =
  'allen backus bartik bell boole borg brooks cerf chen church codd corbato cray dahl daley dennis diffie dijkstra engelbart floyd gosling gray hamilton hamming hejlsberg hoare holberton hopper hykes johnson joy kahn karels kay kernighan kilburn knuth lamport lampson liskov lovelace mccarthy mcilroy mckusick menage metcalfe minsky moore naur neumann nygaard ossanna perlman pike postel presotto ritchie rosen saltzer salus shannon stallman stonebraker stroustrup tanenbaum thompson torvalds turing wall wilkes wirth zuse'.split(
    ' ',
  );

export function randomName(): string {
  const bytes = randomBytes(4);
  const pick = (words: readonly string[], offset: number) => words[bytes.readUInt16LE(offset) % words.length];
  return `${pick(ADJECTIVES, 0)}_${pick(PEOPLE, 2)}`;
}

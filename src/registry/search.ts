/** `tsrun search`: by the first API of registries, which Docker Hub and some others still answer, else in the list of all repositories. */
import { DEFAULT_REGISTRY } from '../image/reference.ts';
import {
  asArray,
  asObject,
  asOptionalString,
  asString,
  field,
  parseJsonDocument,
} from '../spec/image-json.ts';
import { ExchangeError } from './errors.ts';
import { type HttpAnswer, readWhole } from './http.ts';
import { openRepository, type RegistryOptions, type Repository } from './repository.ts';

export interface FoundRepository {
  /** As `pull` takes it. */
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly isOfficial: boolean;
}

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const PAGE_ENTRIES = 1000;
/** A registry of more repositories is not looked through to its end. */
const MAX_PAGES = 100;
/** Docker's registry has the first API on another host. */
const SEARCH_HOST = 'index.docker.io';

/** At most `limit`. `term`: part of a name. Throws {@link ExchangeError}. */
export async function searchRegistry(
  registry: string,
  term: string,
  limit: number,
  options: RegistryOptions,
): Promise<readonly FoundRepository[]> {
  const host = registry === DEFAULT_REGISTRY ? SEARCH_HOST : registry;
  using repository = await openRepository({ registry: host, path: '' }, options);
  const prefix = registry === DEFAULT_REGISTRY ? '' : `${registry}/`;
  try {
    return await searchIndex(repository, prefix, term, limit);
  } catch (error) {
    if (!(error instanceof ExchangeError && error.code === 'REGISTRY_NOT_FOUND')) throw error;
  }
  return searchCatalog(repository, prefix, term, limit);
}

/** The index of the first registry API: GET /v1/search. */
async function searchIndex(
  { main }: Repository,
  prefix: string,
  term: string,
  limit: number,
): Promise<readonly FoundRepository[]> {
  const query = new URLSearchParams({ q: term, n: `${limit}` });
  const answer = await main.send({ method: 'GET', path: `../v1/search?${query}`, scopes: [], expect: [200] });
  const what = `the answer of ${main.host}`;
  const object = asObject(await readJson(answer, what), what);
  const found = asArray(field(object, 'results') ?? [], `${what}.results`, (value, where) => {
    const result = asObject(value, where);
    const stars = field(result, 'star_count');
    return {
      name: prefix + asString(field(result, 'name'), `${where}.name`),
      description: asOptionalString(field(result, 'description'), `${where}.description`) ?? '',
      stars: typeof stars === 'number' ? stars : 0,
      isOfficial: field(result, 'is_official') === true,
    };
  });
  return found.slice(0, limit);
}

/** OCI registries have no search; `_catalog` of distribution is a list in pages, and many do not give it to everybody. */
async function searchCatalog(
  { main }: Repository,
  prefix: string,
  term: string,
  limit: number,
): Promise<readonly FoundRepository[]> {
  const found: FoundRepository[] = [];
  let last: string | undefined;
  for (let page = 0; page < MAX_PAGES && found.length < limit; page++) {
    const query = new URLSearchParams({ n: `${PAGE_ENTRIES}`, ...(last === undefined ? {} : { last }) });
    const answer = await main.send({
      method: 'GET',
      path: `_catalog?${query}`,
      scopes: ['registry:catalog:*'],
      expect: [200],
    });
    const what = `the catalog of ${main.host}`;
    const names = asArray(
      field(asObject(await readJson(answer, what), what), 'repositories') ?? [],
      what,
      asString,
    );
    for (const name of names)
      if (name.includes(term))
        found.push({ name: prefix + name, description: '', stars: 0, isOfficial: false });
    const next = names.at(-1);
    if (answer.headers.link === undefined || next === undefined || next === last) break;
    last = next;
  }
  return found.slice(0, limit);
}

async function readJson(answer: HttpAnswer, what: string): Promise<unknown> {
  const body = await readWhole(answer, MAX_ANSWER_BYTES);
  if (body === undefined)
    throw new ExchangeError(
      'REGISTRY_ANSWER',
      `Cannot read ${what}: it has more than ${MAX_ANSWER_BYTES} bytes`,
    );
  return parseJsonDocument(body, what);
}

/** The columns REPOSITORY and TAG of an image's name, which Docker fills with `<none>`. */
export function splitName(name: string | undefined): readonly [repository: string, tag: string] {
  if (name === undefined) return ['<none>', '<none>'];
  const [, repository = name, tag = '<none>'] = /^(.+?)(?::([^:/@]+))?(?:@.*)?$/.exec(name) ?? [];
  return [repository, tag];
}

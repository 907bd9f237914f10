/** Who a user is at a registry, as `docker login` writes it down. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token in place of the password. */
  readonly identityToken?: string;
}

/** Nobody. */
export const EMPTY: Credentials = { username: '', password: '' };

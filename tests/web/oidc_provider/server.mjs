// An OpenID Connect issuer that is not ours, at 127.0.0.1: node server.mjs PORT PAGES
// Anybody signs in with a name of his own and any password. Its ID tokens name no roles: userinfo does.
import Provider from 'oidc-provider';

const [port, pages] = process.argv.slice(2);
const people = {
  mei: { name: 'Mei Lin', email: 'mei@lincloud.example', onboarding_roles: ['partner'], onboarding_uids: ['5123456789'] },
};
const API = 'urn:onboarding:api';

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'pages',
      client_secret: 'secret of the pages: 100% & more',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: [`${pages}/sign-in/callback`],
      post_logout_redirect_uris: [`${pages}/sign-in`],
    },
    {
      client_id: 'crm',
      client_secret: 'secret-of-the-crm',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  claims: {
    openid: ['sub'],
    profile: ['name'],
    email: ['email', 'email_verified'],
    onboarding: ['onboarding_roles', 'onboarding_uids'],
  },
  scopes: ['openid', 'profile', 'email', 'onboarding'],
  cookies: { keys: ['of the tests'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email_verified: true, ...people[id] }),
  }),
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  extraTokenClaims: (_, token) =>
    token.kind === 'ClientCredentials' ? { name: 'CRM', onboarding_roles: ['service'] } : undefined,
  features: {
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx) => (ctx.oidc.params.grant_type === 'client_credentials' ? API : undefined),
      getResourceServerInfo: () => ({
        scope: '',
        audience: 'onboarding',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listens'));

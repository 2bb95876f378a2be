// A provider that is not ours, on a free port of loopback, by another name than the server, so that browsers take the
// two for different sites; it prints its issuer when it listens.
// Its people are whoever types a name. It gives the address by its userinfo endpoint only, as the standard has it.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'gatepass',
      client_secret: 'colon: plus + and & too',
      application_type: 'native', // whose redirect URIs on loopback may have any port (RFC 8252 §7.3)
      redirect_uris: ['http://localhost/pages/login/callback/corp'],
      response_types: ['code'],
      grant_types: ['authorization_code'],
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: true,
    pkce: { required: () => true },
    cookies: { keys: ['for tests'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.test`, email_verified: !id.startsWith('unverified') }),
    }),
  })
  server.on('request', provider.callback())
  console.log(issuer)
})

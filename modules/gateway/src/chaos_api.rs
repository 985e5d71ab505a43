//! Setting what goes wrong: for the whole gateway, and for one payment. Only the merchant may.

use kernel::{Problem, problem::NOT_FOUND};
use poem::{
    Body, Request, Response, handler,
    http::StatusCode,
    web::{Data, Path},
};

use crate::{
    Gateway,
    api::{id, json, read},
    auth,
    chaos::Chaos,
    error::GatewayError,
    store,
};

/// Shows what goes wrong with the whole gateway.
#[handler]
pub(crate) async fn get_chaos(gateway: Data<&Gateway>, request: &Request) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let read = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, GatewayError>(store::chaos_of(&mut conn, None).await?)
    };
    Ok(json(StatusCode::OK, read.await.map_err(Problem::from)?))
}

/// Sets what goes wrong with the whole gateway; `{}` heals it.
#[handler]
pub(crate) async fn put_chaos(gateway: Data<&Gateway>, request: &Request, body: Body) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let chaos: Chaos = read(body).await?;
    let set = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, GatewayError>(store::set_chaos(&mut conn, &chaos, gateway.clock.now()).await?)
    };
    set.await.map_err(Problem::from)?;
    tracing::info!(?chaos, "chaos is set");
    Ok(json(StatusCode::OK, chaos))
}

/// Sets what goes wrong with one payment, whatever goes wrong with the whole gateway; with `{}`, nothing does.
#[handler]
pub(crate) async fn put_payment_chaos(
    gateway: Data<&Gateway>,
    request: &Request,
    path: Path<String>,
    body: Body,
) -> poem::Result<Response> {
    auth::check(request, &gateway.api_key)?;
    let id = id(&path.0)?;
    let chaos: Chaos = read(body).await?;
    let set = async {
        let mut conn = gateway.pool.get().await?;
        Ok::<_, GatewayError>(store::set_payment_chaos(&mut conn, id, &chaos).await?)
    };
    if set.await.map_err(Problem::from)? {
        Ok(json(StatusCode::OK, chaos))
    } else {
        Err(NOT_FOUND.problem("There is no payment with this id.").into())
    }
}

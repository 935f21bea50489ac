//! A small API to look at and to try clients with: a list of things to do, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use xs_net::http::Incoming;

use crate::input::json;
use crate::problem::Problem;
use crate::reply::{Json, Reply};
use crate::router::{Params, RouteError, Router};

/// A larger body is no thing to do.
const MOST_BYTES: usize = 16 * 1024;

/// Whoever has more to do needs more than this.
const MOST_TODOS: usize = 10_000;

/// How long a title is at most, in characters.
const MOST_TITLE: usize = 500;

/// A thing to do.
#[derive(Debug, Clone, Serialize)]
struct Todo {
    id: u64,
    title: String,
    done: bool,
}

/// What a client may say about one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    title: Option<String>,
    done: Option<bool>,
}

#[derive(Debug, Default)]
struct Todos {
    last: u64,
    all: BTreeMap<u64, Todo>,
}

type Shared = Arc<Mutex<Todos>>;

/// The API, with nothing to do yet:
///
/// | route | answer |
/// |---|---|
/// | `GET /todos` | all of them; `?done=true` or `false`: some |
/// | `POST /todos` `{"title": …}` | 201, with its `Location` |
/// | `GET`, `PATCH`, `DELETE /todos/{id}` | one of them |
/// | `GET /health` | `ok` |
///
/// Errors are [`Problem`]s.
///
/// # Errors
///
/// None: the routes are fixed, and do not conflict.
pub fn todos() -> Result<Router<Incoming>, RouteError> {
    let shared = Shared::default();
    let with = |shared: &Shared| shared.clone();
    let (list, add, one, change, remove) = (with(&shared), with(&shared), with(&shared), with(&shared), with(&shared));
    Router::new()
        .get("/health", |_, _| async { "ok\n" })?
        .get("/todos", move |request: Request<Incoming>, _| {
            let todos = listed(&list, request.uri().query());
            async { todos }
        })?
        .post("/todos", move |request, _| {
            let todos = add.clone();
            async move { added(&todos, json(request, MOST_BYTES).await?) }
        })?
        .get("/todos/{id}", move |_, params| {
            let todo = id(&params).and_then(|id| one.lock().all.get(&id).cloned().ok_or_else(missing)).map(Json);
            async { todo }
        })?
        .route(Method::PATCH, "/todos/{id}", move |request, params| {
            let todos = change.clone();
            async move { changed(&todos, id(&params)?, json(request, MOST_BYTES).await?) }
        })?
        .route(Method::DELETE, "/todos/{id}", move |_, params| {
            let removed = id(&params).and_then(|id| remove.lock().all.remove(&id).ok_or_else(missing));
            async { removed.map(|_| StatusCode::NO_CONTENT) }
        })
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND).detail("There is no such thing to do.")
}

/// A number is an identifier; what is none names nothing.
fn id(params: &Params) -> Result<u64, Problem> {
    params["id"].parse().map_err(|_| missing())
}

fn listed(todos: &Shared, query: Option<&str>) -> Result<Json<Vec<Todo>>, Problem> {
    let done = match query.unwrap_or_default() {
        "" => None,
        "done=true" => Some(true),
        "done=false" => Some(false),
        _ => return Err(Problem::new(StatusCode::BAD_REQUEST).detail("The query may be done=true or done=false.")),
    };
    let todos = todos.lock();
    let wanted = todos.all.values().filter(|todo| done.is_none_or(|done| todo.done == done));
    Ok(Json(wanted.cloned().collect()))
}

fn title(title: String) -> Result<String, Problem> {
    let len = title.trim().chars().count();
    if len == 0 || len > MOST_TITLE {
        let detail = format!("A title has between 1 and {MOST_TITLE} characters.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail).with("member", "title"));
    }
    Ok(title.trim().to_owned())
}

fn added(todos: &Shared, change: Change) -> Result<impl Reply + use<>, Problem> {
    let title = title(change.title.unwrap_or_default())?;
    let mut todos = todos.lock();
    if todos.all.len() >= MOST_TODOS {
        let problem = Problem::new(StatusCode::INSUFFICIENT_STORAGE);
        return Err(problem.detail(format!("There are {MOST_TODOS} things to do already.")));
    }
    todos.last += 1;
    let todo = Todo { id: todos.last, title, done: change.done.unwrap_or(false) };
    todos.all.insert(todo.id, todo.clone());
    let location = format!("/todos/{}", todo.id);
    let mut response = (StatusCode::CREATED, Json(todo)).reply();
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn changed(todos: &Shared, id: u64, change: Change) -> Result<Json<Todo>, Problem> {
    let title = change.title.map(title).transpose()?;
    let mut todos = todos.lock();
    let todo = todos.all.get_mut(&id).ok_or_else(missing)?;
    if let Some(title) = title {
        todo.title = title;
    }
    todo.done = change.done.unwrap_or(todo.done);
    Ok(Json(todo.clone()))
}

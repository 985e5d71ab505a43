//! The shape of the tree. No I/O.

use std::collections::HashMap;

use super::{Category, DEPTH_MAX};
use crate::{CatalogError, words::CategoryId};

/// A category with everything below it, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryNode {
    /// The category.
    pub category: Category,
    /// The categories right below it.
    pub children: Vec<CategoryNode>,
}

/// Puts categories together, sorted by name and slug on every level.
pub(super) fn grow(mut categories: Vec<Category>) -> Vec<CategoryNode> {
    categories.sort_by(|a, b| (&a.name, &a.slug).cmp(&(&b.name, &b.slug)));
    let mut below: HashMap<Option<CategoryId>, Vec<Category>> = HashMap::new();
    for category in categories {
        below.entry(category.parent_id).or_default().push(category);
    }
    take(&mut below, None)
}

/// Each list of children is taken out once, so this ends whatever the rows say.
fn take(below: &mut HashMap<Option<CategoryId>, Vec<Category>>, parent: Option<CategoryId>) -> Vec<CategoryNode> {
    let here = below.remove(&parent).unwrap_or_default();
    here.into_iter().map(|category| CategoryNode { children: take(below, Some(category.id)), category }).collect()
}

/// Refuses to hang `id` below `parent` when that makes a cycle or a tree that is too deep. `parents` is the whole tree as
/// it is now; `id` need not be in it yet.
pub(super) fn check_move(
    parents: &HashMap<CategoryId, Option<CategoryId>>,
    id: CategoryId,
    parent: Option<CategoryId>,
) -> Result<(), CatalogError> {
    let mut above = 0;
    let mut next = parent;
    while let Some(ancestor) = next {
        if ancestor == id {
            return Err(CatalogError::CategoryCycle);
        }
        above += 1;
        if above >= DEPTH_MAX {
            return Err(CatalogError::CategoryTooDeep(DEPTH_MAX));
        }
        next = *parents.get(&ancestor).ok_or(CatalogError::UnknownCategory)?;
    }
    if above + height(parents, id) > DEPTH_MAX {
        return Err(CatalogError::CategoryTooDeep(DEPTH_MAX));
    }
    Ok(())
}

/// Levels from `id` down to its lowest descendant, itself included.
fn height(parents: &HashMap<CategoryId, Option<CategoryId>>, id: CategoryId) -> i32 {
    let (mut level, mut height) = (vec![id], 0);
    // The tree is never deeper than this; a cycle planted by hand does not keep us.
    while !level.is_empty() && height <= DEPTH_MAX {
        height += 1;
        level = parents
            .iter()
            .filter(|(_, parent)| parent.is_some_and(|parent| level.contains(&parent)))
            .map(|(child, _)| *child)
            .collect();
    }
    height
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of `length` categories, the root first.
    fn chain(length: usize) -> (Vec<CategoryId>, HashMap<CategoryId, Option<CategoryId>>) {
        let ids: Vec<_> = (0..length).map(|_| CategoryId::new()).collect();
        let parents = ids.iter().enumerate().map(|(index, id)| (*id, index.checked_sub(1).map(|up| ids[up]))).collect();
        (ids, parents)
    }

    #[test]
    fn a_category_cannot_be_below_itself_or_its_descendants() {
        let (ids, parents) = chain(4);
        for below in &ids {
            assert!(matches!(check_move(&parents, ids[0], Some(*below)), Err(CatalogError::CategoryCycle)));
        }
        assert!(check_move(&parents, ids[3], Some(ids[0])).is_ok());
        assert!(check_move(&parents, ids[3], None).is_ok());
    }

    #[test]
    fn the_tree_has_at_most_eight_levels() {
        let (ids, parents) = chain(8);
        assert!(check_move(&parents, CategoryId::new(), Some(ids[6])).is_ok());
        assert!(matches!(
            check_move(&parents, CategoryId::new(), Some(ids[7])),
            Err(CatalogError::CategoryTooDeep(DEPTH_MAX))
        ));
        let (tail, more) = chain(3);
        let all = parents.into_iter().chain(more).collect();
        assert!(check_move(&all, tail[0], Some(ids[4])).is_ok());
        assert!(matches!(check_move(&all, tail[0], Some(ids[5])), Err(CatalogError::CategoryTooDeep(DEPTH_MAX))));
    }

    #[test]
    fn an_unknown_parent_is_refused() {
        let (_, parents) = chain(1);
        assert!(matches!(
            check_move(&parents, CategoryId::new(), Some(CategoryId::new())),
            Err(CatalogError::UnknownCategory)
        ));
    }
}
